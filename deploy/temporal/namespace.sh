#!/bin/sh
# A job of the admin-tools image: makes the namespace and its search attributes. Again it changes nothing.
# The address is in TEMPORAL_ADDRESS.
set -eu

namespace="${TEMPORAL_NAMESPACE:-default}"
attributes="HeliosTenant HeliosStatus HeliosChannel HeliosIntent HeliosEscalation"

tries=60
until temporal operator cluster health >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "Temporal does not answer at $TEMPORAL_ADDRESS." >&2; exit 1; }
    sleep 1
done

if ! temporal operator namespace describe --namespace "$namespace" >/dev/null 2>&1; then
    temporal operator namespace create --namespace "$namespace" --retention "${TEMPORAL_RETENTION:-720h}"
fi

# Keywords are readable in Temporal's own store: opaque ids and enums only.
tries=60
for attribute in $attributes; do
    until temporal operator search-attribute list --namespace "$namespace" | grep -qw "$attribute"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "The search attribute $attribute cannot be made." >&2; exit 1; }
        # A namespace that was made a moment ago may not be known to every part of the server.
        temporal operator search-attribute create --namespace "$namespace" --name "$attribute" --type Keyword || sleep 1
    done
done
echo "Namespace $namespace is ready."

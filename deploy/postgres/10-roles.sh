#!/bin/sh
# Runs once, when PostgreSQL's data folder is made: roles, databases, extensions. The same as
# helios/embedded/postgres.py does on one machine: helios_owner owns the schema without being a superuser, helios_app
# owns nothing, so row-level security binds it. Temporal has a role and two databases of its own.
set -eu

# Passwords go in as psql variables, which quote them; `-v` would show them in the list of processes.
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --quiet <<'SQL'
\getenv owner_password POSTGRES_OWNER_PASSWORD
\getenv app_password POSTGRES_APP_PASSWORD
\getenv temporal_password POSTGRES_TEMPORAL_PASSWORD

CREATE ROLE helios_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'owner_password';
CREATE ROLE helios_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'app_password';
CREATE ROLE temporal LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD :'temporal_password';

CREATE DATABASE helios OWNER helios_owner;
REVOKE ALL ON DATABASE helios FROM PUBLIC;
GRANT CONNECT ON DATABASE helios TO helios_app;

CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE ALL ON DATABASE temporal, temporal_visibility FROM PUBLIC;

\connect helios
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;
-- Without it no search asks the index of words: see helios/embedded/postgres.py.
ALTER FUNCTION ts_match_vq(tsvector, tsquery) LEAKPROOF;
GRANT USAGE ON SCHEMA public TO helios_app;
SQL

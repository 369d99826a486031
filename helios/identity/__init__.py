"""Who gets in: sessions, lockout, passwords, second factors. Rules and their storage; `api.auth` speaks HTTP."""

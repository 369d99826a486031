"""PostgreSQL, Valkey and Temporal as child processes of one supervisor, with nothing installed on the machine."""

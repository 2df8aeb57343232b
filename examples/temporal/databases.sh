#!/bin/sh
# Creates the databases and their owners. The PostgreSQL image runs this once, while its volume is empty.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres \
    --set=temporal="$TEMPORAL_PASSWORD" --set=safe_owner="$SAFE_OWNER_PASSWORD" <<'SQL'
CREATE ROLE temporal LOGIN PASSWORD :'temporal';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE ALL ON DATABASE temporal, temporal_visibility FROM PUBLIC;
CREATE ROLE safe_owner LOGIN PASSWORD :'safe_owner';
CREATE DATABASE safe_reinit OWNER safe_owner;
REVOKE ALL ON DATABASE safe_reinit FROM PUBLIC;
SQL

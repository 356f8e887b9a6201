-- The schema as version 1 made it.
CREATE SCHEMA kraite;
CREATE TABLE kraite.layouts (
version integer PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE kraite.owners (
account bigint PRIMARY KEY, epoch bigint NOT NULL, last_seq bigint NOT NULL
);
CREATE TABLE kraite.records (
account bigint NOT NULL, seq bigint NOT NULL, epoch bigint NOT NULL, body bytea NOT NULL,
PRIMARY KEY (account, seq)
);
CREATE TABLE kraite.snapshots (
account bigint PRIMARY KEY, seq bigint NOT NULL, body bytea NOT NULL
);
INSERT INTO kraite.layouts (version) VALUES (1);
INSERT INTO kraite.owners (account, epoch, last_seq) VALUES (1, 7, 0);

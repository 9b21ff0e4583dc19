BEGIN TRANSACTION;
CREATE TABLE p2m_grants (
	id VARCHAR(64) NOT NULL, 
	user VARCHAR(255) NOT NULL, 
	client VARCHAR(255) NOT NULL, 
	client_id VARCHAR(2048) NOT NULL, 
	audience VARCHAR(32) NOT NULL, 
	mode VARCHAR(32) NOT NULL, 
	refresh_hash VARCHAR(64) NOT NULL, 
	created DATETIME NOT NULL, 
	used DATETIME NOT NULL, 
	expires DATETIME NOT NULL, 
	revoked DATETIME, 
	PRIMARY KEY (id)
);
INSERT INTO "p2m_grants" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','ada','Claude','','rest','full','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','2026-11-22 10:20:30.000456','2026-11-22 10:20:30.000456','2026-12-22 10:20:30.000456',NULL);
CREATE TABLE p2m_oauth_clients (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	redirect_uris JSON NOT NULL, 
	auth_method VARCHAR(32) NOT NULL, 
	secret_hash VARCHAR(64), 
	created DATETIME NOT NULL, 
	allowed DATETIME, 
	PRIMARY KEY (id)
);
INSERT INTO "p2m_oauth_clients" VALUES('cccccccccccccccccccccccccccccccc','Claude','["http://127.0.0.1/callback"]','none',NULL,'2026-11-22 10:20:30.000456',NULL);
CREATE INDEX ix_p2m_grants_user ON p2m_grants (user);
CREATE INDEX ix_p2m_grants_expires ON p2m_grants (expires);
CREATE INDEX ix_p2m_oauth_clients_allowed ON p2m_oauth_clients (allowed);
CREATE INDEX ix_p2m_oauth_clients_created ON p2m_oauth_clients (created);
COMMIT;

BEGIN TRANSACTION;
CREATE TABLE p2m_accounts (
	name VARCHAR(64) NOT NULL, 
	state VARCHAR(32) NOT NULL, 
	password_hash VARCHAR(512), 
	"temporary" BOOLEAN NOT NULL, 
	created DATETIME NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "p2m_accounts" VALUES('ada','active','$argon2id$kept',0,'2026-11-22 10:20:30.000456');
CREATE INDEX ix_p2m_accounts_state ON p2m_accounts (state);
COMMIT;

//! Durable journals for kraite: memory and SQLite.

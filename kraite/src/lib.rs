//! Leveraged DCA positions on futures exchanges that survive being killed at any instant.

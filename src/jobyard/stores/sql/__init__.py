"""Jobs in a relational database: the only SQLAlchemy."""

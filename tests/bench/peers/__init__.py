"""Programs that Stellwerk is measured beside, where nothing that is packaged does the same."""

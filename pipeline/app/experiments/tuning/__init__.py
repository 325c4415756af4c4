"""A tuning: settings of one method, searched on validation data, with one teacher for all."""

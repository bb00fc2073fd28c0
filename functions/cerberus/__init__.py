"""The client for the SOAP API of Cerberus FTP Server. No other package sends or reads SOAP messages."""

"""The only code that knows the SOAP API of Cerberus FTP Server."""

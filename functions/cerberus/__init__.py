"""The client for the SOAP API of Cerberus FTP Server, which no other package knows."""

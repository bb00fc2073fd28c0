"""The only code that knows DynamoDB, Secrets Manager, S3 and EventBridge."""

"""The stored state; no other package uses DynamoDB, Secrets Manager, S3 and EventBridge."""

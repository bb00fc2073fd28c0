"""The stored state of the product. Only this package uses DynamoDB, Secrets Manager, S3 and EventBridge."""

"""Code that both Lambda functions share: environment variables, clients for registered servers, approvals."""

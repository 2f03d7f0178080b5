"""What pushed files hold that could harm: scanned in a job, shown as a verdict, heeded by deployments."""

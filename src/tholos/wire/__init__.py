"""Other products' protocols over the same services, one file or package per protocol."""

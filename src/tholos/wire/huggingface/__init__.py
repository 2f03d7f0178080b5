"""The protocol of the Hugging Face Hub, as its unmodified clients speak it. It only translates: rules are the hub's."""

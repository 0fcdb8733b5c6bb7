"""Extract, transform, load: procedure logs and dose reports become one published snapshot."""

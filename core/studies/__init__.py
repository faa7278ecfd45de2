"""Recipe to plan to executor to store to summary to published study."""

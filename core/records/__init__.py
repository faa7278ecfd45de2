"""What people enter: observed outcomes now; estimates, reviews and the audit trail have their place here too."""

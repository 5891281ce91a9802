"""What a study trains and on what: profiles, AutoMM's settings, and the environment of the process."""

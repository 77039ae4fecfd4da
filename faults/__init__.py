"""The kill campaign: does anything get lost, or done twice, when processes are killed? See README.md."""

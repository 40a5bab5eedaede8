"""Commands of the script `kit`, a file a stage; they parse options and print, the stages do the work."""

"""`kit explain`: where in an image a network looked, by Grad-CAM or attention rollout."""

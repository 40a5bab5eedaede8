"""Training augmentation of whole batches on the device, parameters drawn per image."""

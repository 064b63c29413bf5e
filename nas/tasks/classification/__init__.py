"""Images of one class each: layouts, augmentation and mixing."""

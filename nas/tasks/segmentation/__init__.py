"""Images with a class for every pixel: folders of files, splits and augmentation."""

"""Files that devices have uploaded, and downloads of what the platform keeps, by signed URLs that expire."""

"""What every stage starts from: errors, files, paths, settings, the device."""

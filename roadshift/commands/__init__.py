"""The commands of `roadshift`, one file each; the outermost layer, which nothing imports."""

"""The commands of `roadshift`, one file each; no other package imports them."""

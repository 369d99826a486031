"""What the offline generator makes of customers' questions over the demo bank's articles."""

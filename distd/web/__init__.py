"""What operators and mirrors reach over HTTPS beside the lane: quart-trio on hypercorn."""

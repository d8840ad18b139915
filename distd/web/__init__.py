"""The API, and what joins the lane to the use cases and to hypercorn."""

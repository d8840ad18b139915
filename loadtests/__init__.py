"""Real programs: the stock agent, nginx, distd itself. What the interoperability tests and the demo share."""

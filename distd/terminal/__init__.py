"""What the commands of distd, redistrib and agentsim have in common: options, lists, errors, exit statuses."""

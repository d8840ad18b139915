"""Why a computer does not have a package yet: from facts a list of causes, and their sentences in two languages."""

"""The lane's other side: HTTP clients, one or very many."""

"""The bill: what a run will read, hold and cost, told before it from measured rates, and what it then used."""

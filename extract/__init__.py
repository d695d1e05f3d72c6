"""First room: public datasets become typed tables with a licence and a provenance."""

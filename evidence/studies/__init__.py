"""What evidence trains on, and how its models are made and read: parts of the recipes beside this folder."""

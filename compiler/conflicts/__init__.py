"""Why a space is empty: minimal sets of requirements in the words of the text, and numbers that would make room."""

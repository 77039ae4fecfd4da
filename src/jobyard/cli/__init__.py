"""The command line: a client of any TES server, and the tools of a service's operators.

What is slow to import (httpx, Rich, Pydantic, the service) is imported by the commands that need it.
"""

from common.server import serve

serve("backend")

from common.server import serve

serve("client")

from common.serving.server import serve

serve("client")

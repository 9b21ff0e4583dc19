"""Packaging of what runs beside Blender in a user's container."""

from setuptools import find_packages, setup

setup(
    name="p2m-singleuser",
    version="0.1.0",
    description="Blender desktop, MCP server and notebook client of a p2m-spawner container",
    license="BSD-3-Clause",
    python_requires=">=3.11",
    packages=find_packages(),
    package_data={"p2m_singleuser": ["static/**/*", "static/*", "notebook/static/*"]},
    data_files=[
        ("etc/jupyter/jupyter_server_config.d", ["jupyter-config/jupyter_server_config.d/p2m_singleuser.json"]),
    ],
    install_requires=[
        "aiohttp>=3.10",
        "ipykernel>=7.0",
        "ipywidgets>=8.1",  # tqdm.auto's bars in notebooks
        "jupyter-server>=2.17",
        "jupyter-server-proxy>=4.6",
        "jupyterhub>=5.3",
        "jupyterlab>=4.4",
        "mcp>=2.3",
        "pillow>=11.0",
        "pydantic>=2.11",
        "starlette>=0.46",
        "tornado>=6.4",
        "tqdm>=4.66",
        "uvicorn>=0.30",
    ],
    entry_points={
        "jupyter_serverproxy_servers": [
            "blender = p2m_singleuser.proxy_entries:blender",
            "blender-mcp = p2m_singleuser.proxy_entries:blender_mcp",
        ],
    },
)

